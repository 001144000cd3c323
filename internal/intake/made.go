package intake

// Check refuses or warns of the texts of a row that was not read from a source, by the
// rules for a source's cells.
func (r *Row) Check() {
	var v validator
	for _, one := range []struct {
		column column
		text   *string
	}{{colDisplayName, r.DisplayName}, {colAltText, r.AltText}} {
		if one.text != nil {
			v.text(r, one.column, *one.text)
		}
	}
}
