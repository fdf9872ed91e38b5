"""Print the key-value metadata of a part. usage: footer.py PART"""

import sys

import pyarrow.parquet as pq

for key, value in sorted(pq.read_metadata(sys.argv[1]).metadata.items()):
    print(key.decode(), value.decode(errors="replace"))
