"""HTTP for subscriptions: what the plan allows."""

from fastapi import APIRouter

from adapters.http.route import Route

router = APIRouter(prefix="/v1/subscription", route_class=Route, tags=["subscription"])
