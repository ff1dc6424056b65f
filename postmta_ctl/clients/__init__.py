"""One module per outside peer; its errors are translated here, so that no feature sees a library's."""
