"""The words that generated stores are made of. None of it is anybody's: e-mails are below example.* only."""

from dataclasses import dataclass

MAIL_DOMAINS = ("example.com", "example.net", "example.org")

GIVEN_NAMES = (
    "Ayesha", "Tanvir", "Mehedi", "Nusrat", "Rahim", "Farhana", "Imran", "Sadia", "Arif", "Mitu", "Jahid", "Rumana",
    "সাদিয়া", "আরিফ", "রহিম", "নুসরাত", "Jane", "Brian", "Zoë", "José", "Łukasz", "Anna", "Lena", "Marco", "Yuki",
    "Priya", "Omar", "Chloé", "Søren", "Elif",
)  # fmt: skip
FAMILY_NAMES = (
    "Rahman", "Hossain", "Akter", "Sikder", "Barua", "Chowdhury", "Islam", "Das", "Roy", "Khan", "Begum", "Miah",
    "হোসেন", "সরকার", "খান", "O'Neil", "Smith-Jones", "Müller", "García", "Nowak", "Rossi", "Tanaka", "Patel",
    "Nguyen", "Dubois", "Jensen", "Yılmaz", "Lee",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    city: str
    state: str
    postcode: str
    country: str
    street: str
    phone: str


PLACES = (
    Place("Dhaka", "BD-13", "1212", "BD", "House {}, Road {}", "017{:08d}"),
    Place("Dhaka", "BD-13", "1207", "BD", "House {}, Road {}", "015{:08d}"),
    Place("ঢাকা", "BD-13", "1205", "BD", "বাসা {}, সড়ক {}", "018{:08d}"),
    Place("Chattogram", "BD-10", "4000", "BD", "{} Agrabad C/A, Block {}", "017{:08d}"),
    Place("Khulna", "BD-27", "9000", "BD", "House {}, Road {}", "019{:08d}"),
    Place("Rajshahi", "BD-54", "6000", "BD", "House {}, Road {}", "017{:08d}"),
    Place("Sylhet", "BD-60", "3100", "BD", "{} Zindabazar, Lane {}", "013{:08d}"),
    Place("Leipzig", "DE-SN", "04109", "DE", "Hauptstraße {}/{}", "+49341{:07d}"),
    Place("London", "", "E1 6AN", "GB", "{} High Street, Flat {}", "+4420{:08d}"),
    Place("Austin", "TX", "78701", "US", "{} Main St, Apt {}", "+1512{:07d}"),
    Place("Toronto", "ON", "M5V 2T6", "CA", "{} King St W, Unit {}", "+1416{:07d}"),
)
PLACE_WEIGHTS = (22, 18, 10, 14, 9, 8, 8, 3, 3, 3, 2)

CATEGORIES: dict[str, tuple[str, ...]] = {
    "Clothing": ("T-Shirt", "Panjabi", "Saree", "Hoodie", "Scarf", "Polo", "Kurta"),
    "Accessories": ("Belt", "Cap", "Sunglasses", "Wallet", "Tote bag", "Watch"),
    "Home & Living": ("Lamp", "Cushion", "Mug", "Blanket", "Vase", "Candle"),
    "Stationery": ("Notebook", "Pen set", "Pencil & eraser", "Planner", "Sticker sheet"),
    "Food": ("Tea", "Honey", "Mango pickle", "Spice box", "Coffee beans"),
}
ADJECTIVES = (
    "Classic", "Handmade", "Cotton", "Silk", "Everyday", "Premium", "Vintage", "Organic", "Bright", "Soft", "Tiny",
    "Large", "নকশি", "Jute", "Bamboo", "Indigo", "Royal", "Simple",
)  # fmt: skip
COLORS = ("Red", "Blue", "Green", "Black", "White", "নীল")
SIZES = ("S", "M", "L", "XL")
VENDORS = ("Rise", "Becker - Moore", "Nakshi", "Meghna Craft")
