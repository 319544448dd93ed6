"""A service that answers rows over HTTP; `pip install 'manyhot[serve]'`. Start reading at README.md."""
