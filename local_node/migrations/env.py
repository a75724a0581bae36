"""Runs the revisions on the connection that `shared_schema.service.database.upgrade_schema` hands over.

There is no alembic.ini and no offline mode: the program brings its own schema up to date when it opens its database.
"""

from alembic import context

from local_node.orm import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
