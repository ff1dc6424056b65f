"""KumoMTA's questions to a policy, with typed answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from postmta_ctl.luavm.access import DEFAULT_LISTS, AccessControlList, Rule, decide, http_resource
from postmta_ctl.luavm.configs import (
    UNSPECIFIED,
    EgressPathConfig,
    EgressPool,
    EgressSource,
    EsmtpDomain,
    QueueConfig,
)
from postmta_ctl.luavm.connection import ConnectionMeta, LuaConnection
from postmta_ctl.luavm.context import Context
from postmta_ctl.luavm.convert import is_lua_table, type_name
from postmta_ctl.luavm.errors import LuaProblem, PolicyError, Rejected
from postmta_ctl.luavm.message import Message
from postmta_ctl.luavm.queues import QueueName

T = TypeVar("T")


class Vm(Context):
    """A loaded policy, asked what KumoMTA asks it."""

    def queue_config(
        self, domain: str, tenant: str | None = None, campaign: str | None = None, routing_domain: str | None = None
    ) -> QueueConfig:
        """How a scheduled queue behaves; KumoMTA's defaults when no handler answers.

        Raises:
            PolicyError: the handler failed or gave something else than a QueueConfig.
        """
        name = QueueName(domain, tenant, campaign, routing_domain)
        if not name.is_internal:
            answer = self._ask("get_queue_config", domain, tenant, campaign, routing_domain)
            if answer is not None:
                return self._expect("get_queue_config", QueueConfig, answer[0])
        return QueueConfig(self.decoder.struct("QueueConfig", self.to_lua({})))

    def queue_config_of(self, queue_name: str) -> QueueConfig:
        """The same, by the queue's name."""
        name = QueueName.parse(queue_name)
        return self.queue_config(name.domain, name.tenant, name.campaign, name.routing_domain)

    def egress_pool(self, name: str | None) -> EgressPool:
        """A pool with all its sources resolved; kept on the node for the pool's ``ttl`` whatever the epoch."""
        pool = self.node.pools.get_or_make(name or UNSPECIFIED, self._make_pool)
        for entry in pool.entries:
            self.egress_source(entry.name)
        return pool

    def _make_pool(self, name: str) -> EgressPool:
        if name == UNSPECIFIED:
            values = {"name": name, "entries": [{"name": name}]}
            return EgressPool(self.decoder.struct("EgressPool", self.to_lua(values)))
        return self._ask_for("get_egress_pool", EgressPool, name)

    def egress_source(self, name: str) -> EgressSource:
        """A source; kept on the node for its ``ttl`` whatever the epoch."""
        return self.node.sources.get_or_make(name, self._make_source)

    def _make_source(self, name: str) -> EgressSource:
        if name == UNSPECIFIED:
            return EgressSource(self.decoder.struct("EgressSource", self.to_lua({"name": name})))
        return self._ask_for("get_egress_source", EgressSource, name)

    def egress_path(self, domain: str, source: str, site: str) -> EgressPathConfig:
        """How a source talks to a site; KumoMTA's defaults when there is no handler."""
        if not self.has_handler("get_egress_path_config"):
            return EgressPathConfig(self.decoder.struct("EgressPathConfig", self.to_lua({})))
        return self._ask_for("get_egress_path_config", EgressPathConfig, domain, source, site)

    def listener_domain(self, domain: str, listener: str, meta: ConnectionMeta | None = None) -> EsmtpDomain | None:
        """What an inbound listener does for a domain; None: nothing."""
        answer = self._ask("get_listener_domain", domain, listener, meta or ConnectionMeta())
        if answer is None or answer[0] is None:
            return None
        return self._expect("get_listener_domain", EsmtpDomain, answer[0])

    def http_message_generated(self, message: Message, auth_info: Mapping[str, Any] | None = None) -> Rejected | None:
        """The event for a message injected over HTTP; a rejection fails that recipient."""
        return self._tell("http_message_generated", message, dict(auth_info or {}))

    def smtp_server_message_received(self, message: Message, meta: ConnectionMeta | None = None) -> Rejected | None:
        """The event for a message received over SMTP."""
        return self._tell("smtp_server_message_received", message, meta or ConnectionMeta())

    def log_record(self, message: Message, hook_name: str) -> bool:
        """Whether the policy wants this log record (meta ``log_record``) queued for that hook.

        Raises:
            PolicyError: ``missing_queue`` when it said yes without setting meta ``queue``: KumoMTA would mail the
                record to the recipient of the original message.
        """
        answer = self._ask("should_enqueue_log_record", message, hook_name)
        wanted = answer is not None and answer[0] is not None and answer[0] is not False
        if wanted and not message.meta.get("queue"):
            event = "should_enqueue_log_record"
            raise self.handler_error("missing_queue", event, "returned true without setting meta queue")
        return wanted

    def validates_basic_auth(self, user: str, password: str | None) -> Mapping[str, Any] | bool:
        """``http_server_validate_auth_basic``: an AuthInfo, or whether the user is let in; False without a handler."""
        return self._auth("http_server_validate_auth_basic", user, password)

    def validates_bearer_auth(self, token: str) -> Mapping[str, Any] | bool:
        """``http_server_validate_auth_bearer``: an AuthInfo, or whether the token is good; False without a handler."""
        return self._auth("http_server_validate_auth_bearer", token)

    def decide_access(
        self, resource: str, privilege: str, auth_info: Mapping[str, Any]
    ) -> tuple[Rule | None, str | None]:
        """The access rule that decides, and where it stands; None: no rule, so no access."""
        return decide(resource, privilege, auth_info, self._access_list)

    def allows(self, listen: str, method: str, path: str, auth_info: Mapping[str, Any]) -> bool:
        """Whether somebody may send this request to an HTTP listener."""
        rule, _ = self.decide_access(http_resource(listen, path), method, auth_info)
        return rule is not None and rule.allow

    def _access_list(self, resource: str) -> AccessControlList | None:
        answer = self._ask("get_acl_definition", resource)
        if answer is not None and answer[0] is not None:
            return self._expect("get_acl_definition", AccessControlList, answer[0])
        if self.node.settings.get("kumo.aaa.set_fall_back_to_acl_map") is False:
            return None
        return DEFAULT_LISTS.get(resource)

    def connection(
        self, constructor: str, domain: str, tenant: str | None = None, campaign: str | None = None
    ) -> LuaConnection:
        """The connection object of a ``custom_lua`` queue.

        Raises:
            PolicyError: there is no such constructor event, or it gave no table.
        """
        if not self.has_handler(constructor):
            raise PolicyError("missing_handler", f"no handler for the constructor event {constructor}")
        answer = self._ask(constructor, domain, tenant, campaign)
        table = answer[0] if answer else None
        if not is_lua_table(table):
            raise self.handler_error("wrong_result", constructor, f"must return a table, not a {type_name(table)}")
        return LuaConnection(self, constructor, table)

    def _ask(self, event: str, *args: object) -> tuple[object, ...] | None:
        """All values of the answering handler; a rejection is no answer to a question of configuration."""
        try:
            return self.dispatch(event, *args)
        except Rejected as rejected:
            raise self.handler_error("rejected", event, f"must not reject here: {rejected}") from rejected

    def _ask_for(self, event: str, kind: type[T], *args: object) -> T:
        """The object that the event must be answered with."""
        answer = self._ask(event, *args)
        if answer is None:
            raise PolicyError("missing_handler", f"no handler for {event}, asked for {args[0]}")
        return self._expect(event, kind, answer[0])

    def _tell(self, event: str, *args: object) -> Rejected | None:
        answer = self.fire(event, *args)
        return answer if isinstance(answer, Rejected) else None

    def _auth(self, event: str, *args: object) -> Mapping[str, Any] | bool:
        answer = self._ask(event, *args)
        if answer is None:
            return False
        if isinstance(answer[0], bool):
            return answer[0]
        if not is_lua_table(answer[0]):
            raise self.handler_error(
                "wrong_result", event, f"must return a boolean or AuthInfo, not a {type_name(answer[0])}"
            )
        try:
            return self.decoder.struct("AuthInfo", answer[0])
        except LuaProblem as problem:
            raise self.handler_error(problem.code, event, f"{problem.path}: {problem.message}") from problem

    def _expect(self, event: str, kind: type[T], value: object) -> T:
        if not isinstance(value, kind):
            wanted = f"must return what kumo.make_* makes (a {kind.__name__})"
            raise self.handler_error("wrong_result", event, f"{wanted}, not a {type_name(value)}")
        return value
