"""What strangers write, and what nobody may see."""
