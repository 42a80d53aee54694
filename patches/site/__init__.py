"""What runs at the customer's: plan, apply, roll back, inventory."""
