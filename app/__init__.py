"""ecomPredictor: consumers, products and orders of many e-commerce websites behind one REST API."""

__version__ = "0.1.0"
