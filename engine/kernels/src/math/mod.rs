//! Elementary functions of our own: one result on every machine and libc.
