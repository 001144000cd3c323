package db

import "time"

// rowColumns are the columns of rowSource's values.
func rowColumns() []string {
	return []string{
		"batch_id", "site_id", "line", "asset_id", "locale_id",
		"display_name", "alt_text", "expected_name", "status", "finished_at", "error",
	}
}

// rowSource gives the rows of an iterator to COPY, as a pgx.CopyFromSource.
type rowSource struct {
	next    func() (*SourceRow, error, bool)
	batchID int64
	siteID  int
	now     time.Time

	row    *SourceRow
	counts loadCounts
	err    error
	values [11]any // reused: COPY encodes a row before it asks for the next
}

// Next implements pgx.CopyFromSource.
func (s *rowSource) Next() bool {
	row, err, ok := s.next()
	if err != nil {
		s.err = err
	}
	if err != nil || !ok {
		return false
	}
	s.row = row
	s.counts.total++
	if row.Refused != "" {
		s.counts.invalid++
	}
	return true
}

// Values implements pgx.CopyFromSource.
func (s *rowSource) Values() ([]any, error) {
	r := s.row
	s.values = [11]any{
		s.batchID, s.siteID, r.Line, r.AssetID, r.LocaleID,
		r.DisplayName, r.AltText, r.ExpectedName, string(RowPending), nil, nil,
	}
	if r.Refused != "" {
		s.values[8], s.values[9], s.values[10] = string(RowInvalid), s.now, r.Refused
	}
	return s.values[:], nil
}

// Err implements pgx.CopyFromSource.
func (s *rowSource) Err() error { return s.err }
