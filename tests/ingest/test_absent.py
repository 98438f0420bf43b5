"""What is not in a file: columns that it can do without, and records altogether."""

import pytest

from app.ingest.formats.base import Options
from app.ingest.mapping import Mapping
from tests.ingest.conftest import Ingest


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("Name,Email,Created at,Total,Lineitem name", ["Financial Status", "Fulfillment Status", "Currency",
         "Lineitem quantity", "Lineitem price"]),
        ("Handle,Title,Variant Price", ["Status", "Variant SKU"]),
        ("URL handle,Title,Price,Published on online store,SKU", []),
        ("Type,SKU,Name,Published,Regular price", ["ID", "Sale price"]),
        ("First Name,Last Name,Email,Total Spent", []),
        ("order_number,sku", ["placed_at", "quantity", "unit_price"]),
        ("order_number,sku,placed_at,quantity,total_price", []),
        ("sku,price", []),
        ("email,name", []),
    ],
)  # fmt: skip
async def test_columns_without_which_something_is_assumed(ingest: Ingest, header: str, missing: list[str]):
    job = await ingest(header + "\n")
    assert (job.details["missing_columns"], job.records_read) == (missing, 0)


async def test_columns_that_a_mapping_stands_in_for(ingest: Ingest):
    mapping = Mapping(columns={"order_number": "Bill", "placed_at": "Day"}, defaults={"quantity": "1"})
    job = await ingest("Bill,Day,sku\n", options=Options(mapping=mapping))
    assert job.details["missing_columns"] == ["unit_price"]


@pytest.mark.parametrize("content", ["[]", '{"data": []}', '{"orders": []}'])
async def test_an_export_of_nothing(ingest: Ingest, content: str):
    """What a nightly job sends when there was nothing is no failure."""
    assert (await ingest(content)).records_read == 0
