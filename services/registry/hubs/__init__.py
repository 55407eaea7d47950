"""枢纽值 hubs: values so many unrelated shops hold that they say nothing; facts, never links."""
