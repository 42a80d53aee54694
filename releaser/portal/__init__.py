"""What customers' own people do and see: always of their own customer, whatever a request names."""
