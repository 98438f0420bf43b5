"""Consumers and their addresses."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base, Identified, Timestamped
from app.utils.search import search_document

PLACEHOLDER_DOMAIN = ".invalid"
"""Ends the e-mail of an imported consumer without a usable one. Nobody can ever have it (RFC 2606)."""


class User(Identified, Timestamped, Base):
    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str] = mapped_column(String(20))
    email: Mapped[str] = mapped_column(String(150), unique=True)
    type: Mapped[str] = mapped_column(String(50), default="consumer", server_default="consumer")
    source_website: Mapped[str] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))

    addresses: Mapped[list["UserAddress"]] = relationship(
        back_populates="user", lazy="raise", order_by="UserAddress.id"
    )


class UserAddress(Identified, Timestamped, Base):
    __tablename__ = "user_addresses"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    country: Mapped[str] = mapped_column(String(100))
    city: Mapped[str] = mapped_column(String(100))
    district: Mapped[str | None] = mapped_column(String(100))
    address: Mapped[str] = mapped_column(Text)
    is_default: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    user: Mapped[User] = relationship(back_populates="addresses", lazy="raise")

    __table_args__ = (
        Index("ix_user_addresses_user_id", "user_id"),
        Index("ix_user_addresses_country_city", "country", "city"),
        # At most one default address a consumer.
        Index("uq_user_addresses_default", "user_id", unique=True, postgresql_where=text("is_default")),
    )


# A placeholder is nobody's e-mail: its words find nothing.
_shown_email = func.regexp_replace(User.email, text("'.*[.]invalid$'"), text("''"))
user_search = search_document(User.name, _shown_email, User.phone)
consumer_name_search = search_document(User.name)

Index("ix_users_search", user_search, postgresql_using="gin")
Index("ix_users_name_search", consumer_name_search, postgresql_using="gin")
Index("ix_users_name", User.name, User.id)
Index("ix_users_phone", User.phone)
Index("ix_users_source_website", User.source_website, User.id)
Index("ix_users_type", User.type, User.id)
Index("ix_users_created_at", User.created_at, User.id)
Index("ix_users_updated_at", User.updated_at, User.id)
Index("ix_users_inactive", User.id, postgresql_where=~User.is_active)
