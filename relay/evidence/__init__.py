"""Evidence packs and logs as they are served, read and judged from outside: with files and answers, but without a database,
a setting or a key that is not public. Who checks a signature and who fetches is given.
"""
