"""The portal: pages for customers, with a sign-in, a cookie and a frame of their own."""
