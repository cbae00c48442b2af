"""What the pages show, copied out of the world so that nothing holds it while a page is made."""
