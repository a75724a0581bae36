"""The page that shows a one-time link, the only time that anybody can read it."""

from fastapi import Request
from fastapi.responses import Response

from shared_schema.service.accounts.invitations import Invitation
from shared_schema.service.pages.site import Site


def show_link(site: Site, request: Request, token: str, invitation: Invitation) -> Response:
    """The link, how to hand it over, and until when it works."""
    address = f"{site.public_url}/welcome/{token}"
    return site.page(request, "link_made.html", address=address, invitation=invitation)
