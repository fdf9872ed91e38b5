//go:build browser

package report

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// screenshots are kept for whoever wants to see what the test saw.
const screenshots = "../../.cache/screenshots"

// TestPageInChromium opens reports in a real browser, at the width of a desk and of a phone, light and dark: nothing is
// complained of, nothing asked of the network, nothing acts that came from data, and nothing overflows.
func TestPageInChromium(t *testing.T) {
	t.Parallel()
	must(t, os.MkdirAll(screenshots, 0o777))
	pages := map[string]string{"dates": htmlOfDates(t, week(t))}
	for name, dir := range kinds(t) {
		pages[name] = html(t, dir)
	}
	if dir := os.Getenv("GRAPHSCORE_REPORT"); dir != "" { // an output of one's own
		pages["own"] = html(t, dir)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, pages[strings.TrimPrefix(r.URL.Path, "/")])
	}))
	t.Cleanup(server.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.WSURLReadTimeout(5*time.Minute), chromedp.NoSandbox, chromedp.ExecPath(chromium(t)))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	browser, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	must(t, chromedp.Do(browser))
	for name := range pages {
		for _, width := range []int64{1400, 390, 320} {
			for _, scheme := range []string{"light", "dark"} {
				view := view{name: name, url: server.URL + "/" + name, width: width, scheme: scheme}
				view.file = fmt.Sprintf("%s-%d-%s.png", name, width, scheme)
				t.Run(view.file, func(t *testing.T) { view.check(t, browser) })
			}
		}
	}
}

func html(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, build(t, Config{Path: dir}).WriteHTML(&b))
	return b.String()
}

func htmlOfDates(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	must(t, dates(t, root).WriteHTML(&b))
	return b.String()
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium: apt-get install chromium")
	return ""
}

// view is one way to look at a page.
type view struct {
	name, url, file, scheme string
	width                   int64
}

// bare are the kinds of output that have nothing to draw.
var bare = map[string]bool{"empty": true, "nothing": true}

// complaints gathers what the browser says of a page.
type complaints struct {
	mu    sync.Mutex
	pages int // requests for the page itself: the proof that it listens
	list  []string
}

func (c *complaints) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

// hear takes an event of the browser.
func (c *complaints) hear(page string, event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		c.add("console: %s", e.Type)
	case *runtime.EventExceptionThrown:
		c.add("exception: %s", e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		c.add("log: %s", e.Entry.Text)
	case *network.EventRequestWillBeSent:
		switch {
		case e.Request.URL == page:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.pages++
		case !strings.HasPrefix(e.Request.URL, "data:"):
			c.add("request: %s", e.Request.URL)
		}
	}
}

// state is what a script finds out about the page.
type state struct {
	Title       string  `json:"title"`
	ScrollWidth int64   `json:"scrollWidth"`
	InnerWidth  int64   `json:"innerWidth"`
	Height      int64   `json:"height"`
	Scripts     int     `json:"scripts"`
	Figures     int     `json:"figures"`
	Contrast    float64 `json:"contrast"`
	Unnamed     int     `json:"unnamed"`
	SmallText   string  `json:"smallText"`
}

// look finds out about the page: the smallest contrast of any text, figures without a name, and text that is shown
// smaller than 9 pixels.
const look = `(() => {
  const lum = c => { const [r, g, b] = c.match(/[\d.]+/g).slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\)|transparent/.test(c)) return c; } return 'rgb(255,255,255)'; };
  let contrast = 21, small = '';
  for (const e of document.querySelectorAll('p,h1,h2,h3,dt,dd,td,th,li,small,code,strong,text')) {
    if (!e.getClientRects().length || !e.textContent.trim()) continue;
    const s = getComputedStyle(e), svg = e.tagName === 'text';
    const a = lum(svg ? s.fill : s.color), b = lum(behind(e));
    contrast = Math.min(contrast, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
    const shrink = svg ? e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.viewBox.baseVal.width : 1;
    if (parseFloat(s.fontSize) * shrink < 9) small = e.textContent;
  }
  const d = document.documentElement;
  return { title: document.title, scrollWidth: d.scrollWidth, innerWidth: window.innerWidth, height: d.scrollHeight,
    scripts: document.scripts.length, figures: [...document.querySelectorAll('figure svg')].filter(s => s.getClientRects().length).length,
    contrast, unnamed: [...document.querySelectorAll('svg')].filter(s => !s.getAttribute('aria-label')).length, smallText: small };
})()`

func (v view) check(t *testing.T, browser context.Context) {
	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	tab, cancel := context.WithTimeout(tab, 5*time.Minute)
	defer cancel()
	said := &complaints{}
	must(t, chromedp.Listen(tab, func(event any) { said.hear(v.url, event) }))
	_, err := chromedp.Call(tab, log.Enable, cdp.Empty{})
	must(t, err)
	_, err = chromedp.Call(tab, network.Enable, network.EnableParams{})
	must(t, err)
	_, err = chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}},
	})
	must(t, err)
	size := chromedp.EmulateViewport(v.width, 900)
	if v.width < 600 {
		size = chromedp.EmulateViewport(v.width, 900, chromedp.EmulateMobile)
	}
	must(t, chromedp.Do(tab, size, chromedp.Navigate(v.url)))
	s, err := chromedp.Run(tab, chromedp.Evaluate[state](look))
	must(t, err)
	shot, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(screenshots, v.file), shot, 0o666))
	said.mu.Lock()
	defer said.mu.Unlock()
	for _, complaint := range said.list {
		t.Error(complaint)
	}
	if said.pages == 0 {
		t.Error("the browser was not listened to")
	}
	for what, bad := range map[string]bool{
		"it is wider than the window":            s.ScrollWidth > s.InnerWidth,
		"the window is not as wide as asked":     s.InnerWidth != v.width,
		"data became a script":                   s.Scripts > 0 || strings.Contains(s.Title, "owned"),
		"there is no figure":                     s.Figures == 0 && !bare[v.name],
		"a figure has no name":                   s.Unnamed > 0,
		"text is too faint":                      s.Contrast < 4.5,
		"text is too small: " + s.SmallText + "": s.SmallText != "",
	} {
		if bad {
			t.Errorf("%s: %+v", what, s)
		}
	}
}
