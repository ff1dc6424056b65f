"""``postmta agent``: brings releases, and what lies beside them, to a kumod that the control plane has no folder of.

It asks; nothing connects to it. While the control plane is away, the node goes on by what it has.
"""
