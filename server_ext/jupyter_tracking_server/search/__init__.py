"""Search for every noun.

``parse`` reads filters and order_by items by ``grammar.lark`` into a ``tree``; ``clauses`` and ``order``
check it against what ``fields`` declares; ``to_sql`` translates; ``pages`` makes the page tokens.
"""
