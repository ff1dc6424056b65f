"""Moving in: configurations of KumoMTA's policy helpers and of PowerMTA, read into what PostMTA holds.

Pure: files come through a reader that the caller gives, and nothing is written. A parser makes directives of the files,
each with its place; a mapping by a table of rules settles every one of them, so that none is dropped silently, and
collects what is wanted. ``features.importing`` compares that with what there is.
"""
