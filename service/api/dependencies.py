"""What the routes need of the application and the caller: put there by the lifespan and by the route class.

Plain calls and not FastAPI's dependencies, each of which would cost a submission 9 µs, a few per cent of its time.
"""

from fastapi import Request

from service.domain.queue import JobQueue


def queue_of(request: Request) -> JobQueue:
    queue: JobQueue = request.app.state.queue
    return queue


def user_of(request: Request) -> str:
    """Who calls, by the key."""
    user_id: str = request.state.user_id
    return user_id
