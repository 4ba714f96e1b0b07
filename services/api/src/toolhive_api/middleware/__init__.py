"""What happens to every HTTP request before and after its handler. Pure ASGI; no business rules."""
