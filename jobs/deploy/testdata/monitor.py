"""A monitor as healthchecks.io has it: prints the path of every ping."""

from http.server import BaseHTTPRequestHandler, HTTPServer


class Monitor(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        print(self.path.partition("?")[0], flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", 8080), Monitor).serve_forever()
