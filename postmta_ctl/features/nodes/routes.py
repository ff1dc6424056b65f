"""``/api/v1/nodes``: for operators."""

from litestar import Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.nodes import service
from postmta_ctl.features.nodes.schemas import Node, NodeAdded, NodeCreate, NodeUpdate
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, TheSystem, scope


@post("/", opt=scope("nodes:write"), summary="Add a KumoMTA node")
async def add_node(system: TheSystem, principal: Caller, data: JSONBody[NodeCreate]) -> NodeAdded:
    """Its tokens are made here and written into its policy folder; ``next_steps`` says what its operator does."""
    return await service.add(system, data, principal=principal)


@get("/", opt=scope("nodes:read"), summary="List all nodes")
async def list_nodes(system: TheSystem) -> Page[Node]:
    """By name, on one page."""
    return Page(await service.list_nodes(system))


@get("/{node_id:str}", opt=scope("nodes:read"), summary="Get a node")
async def get_node(system: TheSystem, node_id: FromPath[str]) -> Node:
    """With the release it is switched to, and the one it says it runs."""
    return await service.get(system, node_id)


@patch("/{node_id:str}", opt=scope("nodes:write"), summary="Change a node's share of the mail")
async def update_node(system: TheSystem, principal: Caller, node_id: FromPath[str], data: JSONBody[NodeUpdate]) -> Node:
    """It holds within a second, for mail that no node has yet."""
    return await service.update(system, node_id, data, principal=principal)


@delete("/{node_id:str}", opt=scope("nodes:write"), summary="Remove a node")
async def remove_node(system: TheSystem, principal: Caller, node_id: FromPath[str]) -> None:
    """Its files stay as they are; its log records are refused from this moment on."""
    await service.remove(system, node_id, principal=principal)


router = Router(
    "/api/v1/nodes", route_handlers=[add_node, list_nodes, get_node, update_node, remove_node], tags=["Nodes"]
)
