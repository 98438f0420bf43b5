"""The set-based merge of one chunk of staged records, a fixed number of statements whatever the chunk's size.

`chunk` holds the records and their outcomes; `consumers`, `products` and `orders` each resolve who is the same,
write the rows and link them. All of it runs in the caller's transaction, under the merge lock.
"""
