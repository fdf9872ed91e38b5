package writers

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// One holder at a time is above the dates, unless all share; other forms in the same folder have locks of their own.
func TestLockDates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock := func(form string, shared bool) (*DatesLock, error) {
		return LockDates(Dates{Above: dir, Form: form, Shared: shared}, Config{Dir: dir + "/{date}"})
	}
	first, err := lock("a", false)
	must(t, err)
	other, err := lock("b", false)
	must(t, err)
	must(t, other.Close())
	var held *LockedError
	for _, shared := range []bool{false, true} {
		if _, err := lock("a", shared); !errors.As(err, &held) || held.PID != os.Getpid() || !strings.Contains(err.Error(), "the dates of") {
			t.Errorf("shared %v: %v", shared, err)
		}
	}
	if err := (Dates{Above: dir, Form: "a"}).CheckFree("out"); !errors.As(err, &held) || !held.Dates || held.Path != "out" {
		t.Errorf("it is held, and said to be %v", err)
	}
	must(t, first.Close())
	must(t, Dates{Above: dir, Form: "a"}.CheckFree("out"))
	must(t, Dates{Above: dir + "/absent", Form: "a"}.CheckFree("out"))
	one, err := lock("a", true)
	must(t, err)
	two, err := lock("a", true)
	must(t, err)
	if _, err := lock("a", false); !errors.As(err, &held) {
		t.Errorf("two share it, and a third takes it alone: %v", err)
	}
	const beside = "are held by runs side by side, the last of which to begin was pid "
	must(t, two.Close())
	for _, err := range []error{Dates{Above: dir, Form: "a"}.CheckFree("out"), func() error { _, err := lock("a", false); return err }()} {
		if !errors.As(err, &held) || !held.Shared || !strings.Contains(err.Error(), beside) {
			t.Errorf("one of two that shared it is left: %v", err)
		}
	}
	must(t, one.Close())
	must(t, Dates{Above: dir, Form: "a"}.CheckFree("out"))
}
