"""Nodes."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, operation
from postmta_ctl.features.nodes.schemas import Node, NodeAdded, NodeCreate, NodeUpdate


class Nodes(Group[R_co]):
    """What stands in the document under Nodes."""

    @operation
    def list(self) -> Call[Page[Node]]:
        """List all nodes."""
        return Call("GET", "/api/v1/nodes", Page[Node])

    @operation
    def add(self, body: NodeCreate) -> Call[NodeAdded]:
        """Add a KumoMTA node."""
        return Call("POST", "/api/v1/nodes", NodeAdded, body=body)

    @operation
    def get(self, node_id: str) -> Call[Node]:
        """Get a node."""
        return Call("GET", "/api/v1/nodes/{node_id}", Node, parts={"node_id": node_id})

    @operation
    def update(self, node_id: str, body: NodeUpdate) -> Call[Node]:
        """Change a node's share of the mail."""
        return Call("PATCH", "/api/v1/nodes/{node_id}", Node, parts={"node_id": node_id}, body=body)

    @operation
    def remove(self, node_id: str) -> Call[None]:
        """Remove a node."""
        return Call("DELETE", "/api/v1/nodes/{node_id}", NoneType, parts={"node_id": node_id})
