"""The console's tables, a module each, in the order of the menu."""

from app.console.table import TableView
from app.console.views.addresses import Addresses
from app.console.views.admins import Admins
from app.console.views.consumers import Consumers
from app.console.views.imports import Imports
from app.console.views.orders import Orders
from app.console.views.products import Products
from app.console.views.rejects import Rejects
from app.console.views.websites import Websites

__all__ = ["TABLES"]

TABLES: tuple[type[TableView], ...] = (Consumers, Addresses, Products, Orders, Websites, Imports, Rejects, Admins)
