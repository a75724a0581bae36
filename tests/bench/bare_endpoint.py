"""The floor below every web application here: a bare FastAPI endpoint that reads a body and answers 201."""

import sys

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

ANSWER = b'{"receipt":"' + b"x" * 700 + b'"}'
"""About as long as a receipt."""
app = FastAPI(openapi_url=None)


@app.post("/v1/submissions")
async def take(request: Request) -> Response:
    """Read the whole body, look at nothing."""
    await request.body()
    return Response(ANSWER, status_code=201, media_type="application/json")


@app.get("/health")
async def health() -> Response:
    return Response(b"{}", media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False, server_header=False)
