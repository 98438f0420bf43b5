from app.utils.schemas import Schema, WebsiteName


class WebsiteArgument(Schema):
    """A website's name, checked by the rule that all of them follow."""

    website: WebsiteName
