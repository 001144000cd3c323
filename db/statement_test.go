package db_test

import (
	"testing"

	"relabel/internal/dbtest"
)

func TestStatements(t *testing.T) {
	t.Parallel()
	dbtest.RequireStatements(t)
}
