package usecase

import (
	"fmt"

	"relabel/internal/intake"
)

// SheetNotice says which sheet of a workbook was read, if it has several and none was named.
type SheetNotice struct {
	Source, Sheet string
	Of            int
}

func (n *SheetNotice) Error() string {
	return fmt.Sprintf("%s has %d sheets, and only the first visible one is read: %q", n.Source, n.Of, intake.Clean(n.Sheet))
}

// noticeSheet sends a notice if the workbook has other sheets.
func (p LoadParams) noticeSheet(info intake.Info) {
	if info.Sheets > 1 && p.Source.Sheet == "" {
		p.Notice(&SheetNotice{Source: p.Source.Name(), Sheet: info.Sheet, Of: info.Sheets})
	}
}
