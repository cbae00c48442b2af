"""What went wrong in public, in other fleets of runners: each is a test here, and a row of docs/incidents.md."""
