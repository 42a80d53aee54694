"""Setups lent to other teams: with credentials of their own, until a due date, and proved dead afterwards."""
