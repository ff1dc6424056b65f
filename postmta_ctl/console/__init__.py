"""The console: pages for people, at ``/console``.

It stands above the features, beside the API: a page reads the request, calls the *service* that the API's route calls,
and renders what comes back. It has no SQL and uses no routes, so nothing is possible here that the API cannot do; a
test holds that.

How a page is added:

1. A module in ``console/pages/``, named after the page, with its handlers and a ``router``. A handler is three lines::

       @get("/suppressions", opt=needs("suppressions:read"))
       async def suppressions(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
           found = await service.find(system, principal, Filter(), paging)
           return page(request, "suppressions/list.html", found=found)

   :func:`~postmta_ctl.console.guard.needs` names the scope, the same as the API's route; ``Caller`` is who logged in.
   Parameters of the path that end in ``_id`` are ids, and anything else is the page 404. These modules are without
   ``from __future__ import annotations``, as routes are.
2. Its templates in ``console/templates/NAME/``; they extend ``base.html`` and use the macros of ``macros.html``
   (``table``, ``pager``, ``empty``, ``field``, ``choice``, ``badge``, ``time``, ``plot``, ``facts``, ``copyable``).
   Everything is escaped; there is no inline script or style (the Content-Security-Policy would stop it), so what must
   be drawn to scale is SVG with attributes, ``<meter>`` or a plot.
3. A line in ``console/routes.py`` and, with the scope, in ``console/navigation.py``.
4. Writing is a ``POST`` from a form that has ``{{ ui.csrf(csrf) }}`` in it; the guard refuses it otherwise. Its fields
   become the API's own request struct by :func:`~postmta_ctl.console.forms.read`; on ``InvalidRequest`` the form is
   shown again with ``errors=by_field(error)`` and status 422. What is done ends with
   :func:`~postmta_ctl.console.rendering.see`, a redirect with a sentence about it.
5. Whatever stops mail, removes or cannot be undone has a page before it (``GET …/confirm``,
   :func:`~postmta_ctl.console.rendering.confirm`) that says what it will do, with numbers. It is posted to the same
   address. A form that replaces a list carries the version that it was filled in for, and 412 is shown in it.
6. What changes by itself or may be slow (a node is asked) is a fragment: a route of its own that answers with
   :func:`~postmta_ctl.console.rendering.fragment`, which the page gets by ``hx-get`` with
   ``hx-trigger="load, every 10s"``. Errors are answered as fragments there, and an ended login leads to the log-in.
7. Pure view models (rows out of structs, points of plots) stand in a module of their own and have unit tests; the page
   has a test in ``tests/api/test_console_NAME.py`` (SQLite is enough), and is looked at in both widths, light and dark.
"""
