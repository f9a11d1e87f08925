"""What the routes need, taken from the application's state, where the lifespan put it."""

from typing import Annotated

from fastapi import Depends, Request

from service.domain.queue import JobQueue


async def _queue(request: Request) -> JobQueue:
    queue: JobQueue = request.app.state.queue
    return queue


async def _user_id(request: Request) -> str:
    user_id: str = request.state.user_id
    return user_id


Queue = Annotated[JobQueue, Depends(_queue)]
UserId = Annotated[str, Depends(_user_id)]
