"""Generated message modules (see generate_proto.sh). Only `graphscore._codec` imports them."""
