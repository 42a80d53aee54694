from tests.bao import space

__all__ = ["space"]
