def table(rows): pass
