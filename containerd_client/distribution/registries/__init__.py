"""Which hosts serve a name, and how they are asked by HTTP: certificates, proxies, credentials."""
