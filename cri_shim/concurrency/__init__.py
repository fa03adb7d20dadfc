"""Operations, rollback, overlap, keyed locks and semaphores: how several things go on at once."""
