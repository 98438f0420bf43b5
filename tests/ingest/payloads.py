"""Records of websites as small as a test needs them; every value may be overridden."""

import csv
import io
import json
from typing import Any

Payload = dict[str, Any]


def woo_address(**overrides: Any) -> Payload:
    return {
        "first_name": "Jane", "last_name": "Doe", "company": "", "address_1": "", "address_2": "", "city": "",
        "state": "", "postcode": "", "country": "", "email": "", "phone": "",
    } | overrides  # fmt: skip


def woo_customer(id: int, email: str = "jane@example.com", **overrides: Any) -> Payload:
    return {
        "id": id,
        "email": email,
        "first_name": "Jane",
        "last_name": "Doe",
        "username": f"user{id}",
        "date_created_gmt": "2025-01-01T08:00:00",
        "date_modified_gmt": "2025-01-01T08:00:00",
        "billing": woo_address(first_name="", last_name=""),
        "shipping": woo_address(first_name="", last_name=""),
    } | overrides


def woo_product(id: int, **overrides: Any) -> Payload:
    return {
        "id": id,
        "name": f"Product {id}",
        "slug": f"product-{id}",
        "type": "simple",
        "status": "publish",
        "sku": f"SKU-{id}",
        "price": "10.00",
        "regular_price": "10.00",
        "manage_stock": False,
        "stock_quantity": None,
        "variations": [],
        "attributes": [],
        "date_modified_gmt": "2025-01-01T08:00:00",
    } | overrides


def woo_variation(id: int, parent: int, **overrides: Any) -> Payload:
    return {
        "id": id,
        "status": "publish",
        "sku": f"SKU-{id}",
        "price": "9.00",
        "regular_price": "9.00",
        "manage_stock": False,
        "stock_quantity": None,
        "attributes": [{"id": 1, "name": "Colour", "option": "Blue"}],
        "date_modified_gmt": "2025-01-01T08:00:00",
        "_links": {"up": [{"href": f"https://shop.example/wp-json/wc/v3/products/{parent}"}]},
    } | overrides


def woo_line(product_id: int = 1, quantity: int = 1, subtotal: str = "10.00", **overrides: Any) -> Payload:
    return {
        "id": 1,
        "name": f"Product {product_id}",
        "product_id": product_id,
        "variation_id": 0,
        "quantity": quantity,
        "subtotal": subtotal,
        "total": subtotal,
        "total_tax": "0.00",
        "sku": f"SKU-{product_id}",
        "price": 10,
    } | overrides


def woo_order(id: int, *, email: str = "jane@example.com", **overrides: Any) -> Payload:
    """`total` is made from the lines unless given."""
    lines = overrides.get("line_items", [woo_line()])
    total = sum(float(line.get("subtotal") or 0) for line in lines)
    return {
        "id": id,
        "number": str(id),
        "status": "processing",
        "currency": "USD",
        "date_created_gmt": "2025-02-01T10:00:00",
        "date_modified_gmt": "2025-02-01T10:00:00",
        "date_completed_gmt": None,
        "discount_total": "0.00",
        "shipping_total": "0.00",
        "total_tax": "0.00",
        "total": f"{total:.2f}",
        "customer_id": 0,
        "billing": woo_address(email=email),
        "shipping": woo_address(first_name="", last_name=""),
        "line_items": lines,
        "fee_lines": [],
        "refunds": [],
    } | overrides


def woo_refund(id: int, order: int, amount: str = "4.00", **overrides: Any) -> Payload:
    return {
        "id": id,
        "amount": amount,
        "reason": "",
        "line_items": [],
        "_links": {"up": [{"href": f"https://shop.example/wp-json/wc/v3/orders/{order}"}]},
    } | overrides


def shopify_row(name: str = "#1001", **overrides: str) -> dict[str, str]:
    """The first row of an order; `more_lines` of an order are rows with these columns blank."""
    return {
        "Name": name,
        "Email": "jane@example.com",
        "Financial Status": "paid",
        "Fulfillment Status": "unfulfilled",
        "Currency": "USD",
        "Shipping": "0.00",
        "Taxes": "0.00",
        "Total": "10.00",
        "Discount Amount": "0.00",
        "Created at": "2025-02-01 10:00:00 -0400",
        "Lineitem quantity": "1",
        "Lineitem name": "Mug - Blue",
        "Lineitem price": "10.00",
        "Lineitem sku": "MUG-B",
        "Billing Name": "Jane Doe",
        "Billing Address1": "",
        "Billing Address2": "",
        "Billing City": "",
        "Billing Zip": "",
        "Billing Province": "",
        "Billing Country": "",
        "Billing Phone": "",
        "Shipping Name": "",
        "Shipping Address1": "",
        "Shipping City": "",
        "Shipping Country": "",
        "Cancelled at": "",
        "Refunded Amount": "0.00",
        "Id": "",
    } | {key.replace("_", " "): value for key, value in overrides.items()}


def shopify_line(name: str = "#1001", **overrides: str) -> dict[str, str]:
    """A further line of an order: Shopify repeats only its name and e-mail."""
    row = dict.fromkeys(shopify_row(), "")
    row |= {"Name": name, "Email": "jane@example.com", "Lineitem quantity": "1", "Lineitem name": "Plate",
            "Lineitem price": "5.00", "Lineitem sku": "PLATE"}  # fmt: skip
    return row | {key.replace("_", " "): value for key, value in overrides.items()}


def shopify_customer_row(**overrides: str) -> dict[str, str]:
    return {
        "Customer ID": "",
        "First Name": "Jane",
        "Last Name": "Doe",
        "Email": "jane@example.com",
        "Phone": "",
        "Default Address Address1": "",
        "Default Address City": "",
        "Default Address Zip": "",
        "Default Address Country Code": "",
        "Note": "",
        "Total Spent": "0.00",
        "Total Orders": "0",
    } | {key.replace("_", " "): value for key, value in overrides.items()}


def shopify_product_row(**overrides: str) -> dict[str, str]:
    """A row of the product export's older header; further variants and images leave `Title` blank."""
    return {
        "Handle": "mug", "Title": "", "Body (HTML)": "", "Published": "", "Option1 Name": "", "Option1 Value": "",
        "Option2 Name": "", "Option2 Value": "", "Variant SKU": "", "Variant Inventory Tracker": "",
        "Variant Inventory Qty": "", "Variant Price": "", "Variant Barcode": "", "Image Src": "", "Status": "",
    } | {key.replace("_", " "): value for key, value in overrides.items()}  # fmt: skip


def woo_product_row(**overrides: str) -> dict[str, str]:
    return {
        "ID": "", "Type": "simple", "SKU": "", "Name": "", "Published": "1", "Description": "", "Stock": "",
        "Weight (lbs)": "", "Sale price": "", "Regular price": "", "Parent": "", "Attribute 1 name": "",
        "Attribute 1 value(s)": "", "GTIN, UPC, EAN, or ISBN": "",
    } | {key.replace("_", " "): value for key, value in overrides.items()}  # fmt: skip


def as_csv(*rows: dict[str, Any], delimiter: str = ",") -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, delimiter=delimiter, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_ndjson(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def wrap_rows(*rows: dict[str, Any], delimiter: str = ",", behind: str = "") -> str:
    """Each row as one quoted cell, as a spreadsheet saves what it took for a single column; `behind` it blank cells."""
    lines = [as_csv(*rows, delimiter=delimiter).splitlines()[0]]
    for row in rows:
        whole = as_csv(dict.fromkeys(rows[0], "") | row, delimiter=delimiter)
        lines.append(whole.split("\n", 1)[1].removesuffix("\n"))
    return "".join(_whole(line) + behind + "\n" for line in lines)


def wrap_lines(content: str, *, behind: str = "") -> str:
    """The same of a spreadsheet that knew no quotation marks either: a cell of several lines is torn into rows."""
    return "".join(_whole(line) + behind + "\n" for line in content.removesuffix("\n").split("\n"))


def _whole(line: str) -> str:
    return '"' + line.replace('"', '""') + '"'
