from tests.ingest.conftest import ingest, query, write

__all__ = ["ingest", "query", "write"]
