"""Pages of figures and actions, beside the tables; a module each, in the order of the menu."""

from app.console.pages.consumer import ConsumerPage
from app.console.pages.overview import OverviewPage
from app.console.pages.page import Page
from app.console.pages.predictions import PredictionsPage
from app.console.pages.product import ProductPage
from app.console.pages.stores import StoresPage
from app.console.pages.upload import UploadPage

__all__ = ["PAGES", "OverviewPage"]

PAGES: tuple[type[Page], ...] = (PredictionsPage, UploadPage, StoresPage, ConsumerPage, ProductPage)
