"""A service that answers rows over HTTP; needs the extra `serve`. Start reading at README.md."""
