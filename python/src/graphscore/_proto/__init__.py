"""Generated message modules (see generate_proto.sh). Only `graphscore._serving.codec` imports them."""
