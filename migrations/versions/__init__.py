"""The migrations, in the order of their numbers. Each stands for itself and is never changed once released."""
