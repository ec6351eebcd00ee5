print("blockwise")
