package dataset_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

func TestValidDeclarations(t *testing.T) {
	for name, spec := range map[string]dataset.Spec{
		"most of what there is": orders(),
		"the least":             {Domain: "d", Name: "n", Columns: []dataset.Column{{Name: "k", Type: dataset.String}}},
		"snapshot without key":  {Domain: "d", Name: "n", Load: dataset.Snapshot, Columns: []dataset.Column{{Name: "k", Type: dataset.Double}}},
		"hashed key":            column(dataset.Column{Type: dataset.String, Protect: dataset.Hash, Class: dataset.Personal, Required: true}),
		"longest names": {Domain: strings.Repeat("d", 63), Name: strings.Repeat("n", 63), Keys: []string{"k"},
			Columns: []dataset.Column{{Name: "k", Type: dataset.Int}}},
		"tab":                   func() dataset.Spec { s := orders(); s.Format = dataset.CSV{Delimiter: "\t", NullValue: `\N`}; return s }(),
		"cdc before its source": replicated(),
		"cdc as completed":      func() dataset.Spec { s := replicated(); s.Format = dataset.DMS{}; return s }(),
		"changes in CSV":        func() dataset.Spec { s := replicated(); s.Format = dataset.DMSCSV{}; return s }(),
		"changes in JSON":       func() dataset.Spec { s := replicated(); s.Format = dataset.DMSJSON{Table: "public.orders"}; return s }(),
		"window":                func() dataset.Spec { s := orders(); appended(&s, "o_orderdate", 7*24*time.Hour); return s }(),
		"strict":                func() dataset.Spec { s := orders(); s.Drift = dataset.Strict; return s }(),
		"evolve": func() dataset.Spec {
			s := orders()
			s.Drift, s.Columns[2].Class = dataset.Evolve, dataset.Internal
			return s
		}(),
		"json":  func() dataset.Spec { s := orders(); s.Format = dataset.JSON{}; return s }(),
		"delta": func() dataset.Spec { s := orders(); s.TableFormat = dataset.Delta; return s }(),
		"hudi":  func() dataset.Spec { s := orders(); s.TableFormat = dataset.Hudi; return s }(),
		"pipe":  func() dataset.Spec { s := orders(); s.Format = dataset.CSV{NoHeader: true, Delimiter: "|"}; return s }(),
	} {
		if err := spec.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// appended makes an append with a window of the declaration.
func appended(s *dataset.Spec, column string, length time.Duration) {
	s.Load, s.Sequence, s.Window = dataset.Append, "", dataset.Window{Column: column, Length: length}
}

func TestSpecIsRejected(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*dataset.Spec)
		want   []string
	}{
		"empty": {func(s *dataset.Spec) { *s = dataset.Spec{} },
			[]string{"Columns: is empty", "Domain: is missing", "Name: is missing"}},
		"upper case":     {func(s *dataset.Spec) { s.Name = "Orders" }, []string{"Name: is not a valid name"}},
		"reserved":       {func(s *dataset.Spec) { s.Columns[3].Name = "_batch_id" }, []string{"Columns[3].Name: names that start with _"}},
		"too long":       {func(s *dataset.Spec) { s.Domain = strings.Repeat("d", 64) }, []string{"Domain: is not a valid name"}},
		"token name":     {func(s *dataset.Spec) { s.Name = "${Token[TOKEN.7]}" }, []string{"Name: is known only at deployment"}},
		"token doc":      {func(s *dataset.Spec) { s.Doc = "see ${Token[TOKEN.7]}" }, []string{"Doc: is known only at deployment"}},
		"owner lines":    {func(s *dataset.Spec) { s.Owner = "a\nb" }, []string{"Owner: has a line break"}},
		"owner length":   {func(s *dataset.Spec) { s.Owner = strings.Repeat("x", 256) }, []string{"Owner: is too long"}},
		"doc control":    {func(s *dataset.Spec) { s.Doc = "a\x00b" }, []string{"Doc: has a character the catalog refuses"}},
		"doc bytes":      {func(s *dataset.Spec) { s.Doc = "\xff" }, []string{"Doc: is not valid UTF-8"}},
		"doc length":     {func(s *dataset.Spec) { s.Doc = strings.Repeat("é", 1025) }, []string{"Doc: is too long"}},
		"column doc":     {func(s *dataset.Spec) { s.Columns[0].Doc = strings.Repeat("x", 256) }, []string{"Columns[0].Doc: is too long"}},
		"cdc sequence":   {func(s *dataset.Spec) { s.Load = dataset.CDC }, []string{"Sequence: is not for a change stream"}},
		"cdc no keys":    {func(s *dataset.Spec) { *s = replicated(); s.Keys = nil }, []string{"Keys: is empty, but without a key no update or delete"}},
		"upsert no keys": {func(s *dataset.Spec) { s.Keys = nil }, []string{"Keys: is empty, but an upsert replaces the row of a key"}},
		"unique without keys": {func(s *dataset.Spec) {
			s.Load, s.Sequence, s.Keys, s.Rules = dataset.Append, "", nil, dataset.Rules{dataset.UniqueKey()}
		}, []string{"Rules[0]: has no key to judge by"}},
		"window without keys": {func(s *dataset.Spec) { appended(s, "o_orderdate", 24*time.Hour); s.Keys = nil }, []string{"Window: has no key to look for"}},
		"nothing is stored": {func(s *dataset.Spec) {
			*s = dataset.Spec{Domain: "d", Name: "n", Load: dataset.Snapshot, Columns: []dataset.Column{{Name: "k", Type: dataset.String, Protect: dataset.Drop}}}
		}, []string{"Keys: is empty, and no column is stored"}},
		"dms csv":    {func(s *dataset.Spec) { *s = replicated(); s.Format = dataset.DMSCSV{Delimiter: "||"} }, []string{"Format.Delimiter: cannot separate"}},
		"dms json":   {func(s *dataset.Spec) { *s = replicated(); s.Format = dataset.DMSJSON{} }, []string{"Format.Table: names no table"}},
		"dms table":  {func(s *dataset.Spec) { *s = replicated(); s.Format = dataset.DMSJSON{Table: "public."} }, []string{"Format.Table: names no table"}},
		"dms token":  {func(s *dataset.Spec) { *s = replicated(); s.Format = dataset.DMSJSON{Table: "a.${Token[TOKEN.7]}"} }, []string{"Format.Table: is known only"}},
		"dms upsert": {func(s *dataset.Spec) { s.Format = dataset.DMSCSV{} }, []string{"Format: holds changes of a database"}},
		"cdc csv":    {func(s *dataset.Spec) { *s = replicated(); s.Format = dataset.CSV{} }, []string{"Format: holds no changes"}},
		"cdc json":   {func(s *dataset.Spec) { *s = replicated(); s.Format = dataset.JSON{} }, []string{"Format: holds no changes"}},
		"cdc unique": {func(s *dataset.Spec) { *s = replicated(); s.Rules = dataset.Rules{dataset.UniqueKey()} }, []string{"Rules[0]: cannot judge a change stream"}},
		"cdc columns": {func(s *dataset.Spec) {
			*s = replicated()
			s.Columns[1].Name, s.Columns[2].Name = "op", "bi_o_orderkey"
		}, []string{"Columns[1].Name: is the name of a change column", "Columns[2].Name: is the name of a change column"}},
		"window of upsert": {func(s *dataset.Spec) { s.Window = dataset.Window{Column: "o_orderdate", Length: 24 * time.Hour} }, []string{"Window: has no meaning for load kind upsert"}},
		"window":           {func(s *dataset.Spec) { appended(s, "nope", 30*time.Minute) }, []string{"Window.Column: is no declared column", "Window.Length: is no length"}},
		"window of text":   {func(s *dataset.Spec) { appended(s, "o_clerk", time.Hour) }, []string{"Window.Column: tells no time: its column is of type string"}},
		"window of a key":  {func(s *dataset.Spec) { appended(s, "o_orderdate", 24*time.Hour); s.Keys = []string{"o_orderdate"} }, []string{"Window.Column: is a key column"}},
		"hours of a date":  {func(s *dataset.Spec) { appended(s, "o_orderdate", 36*time.Hour) }, []string{"Window.Length: is no length"}},
		"a long window":    {func(s *dataset.Spec) { appended(s, "o_orderdate", 367*24*time.Hour) }, []string{"Window.Length: is no length"}},
		"hashed window":    {func(s *dataset.Spec) { appended(s, "o_orderdate", 24*time.Hour); s.Columns[3].Protect = dataset.Hash }, []string{"Window.Column: tells no time once"}},
		"evolve without a header": {func(s *dataset.Spec) {
			s.Drift, s.Format, s.Columns[2].Class = dataset.Evolve, dataset.CSV{NoHeader: true}, dataset.Internal
		}, []string{"Drift: finds no names of columns"}},
		"evolve beside personal": {func(s *dataset.Spec) { s.Drift = dataset.Evolve }, []string{"Drift: would store columns that nobody has classed, beside personal data in Columns[2]"}},
		"evolve messages": {func(s *dataset.Spec) {
			*s = replicated()
			s.Format, s.Drift, s.Columns[2].Class = dataset.DMSJSON{Table: "a.b"}, dataset.Evolve, dataset.Internal
		}, []string{"Drift: is not built for this format"}},
		"unknown drift": {func(s *dataset.Spec) { s.Drift = 7 }, []string{"Drift: is no policy"}},
		"strict messages": {func(s *dataset.Spec) {
			*s = replicated()
			s.Format, s.Drift = dataset.DMSJSON{Table: "a.b"}, dataset.Strict
		}, []string{"Drift: is not built for this format"}},
		"strict transactions": {func(s *dataset.Spec) {
			*s = replicated()
			s.Format, s.Drift = dataset.DMS{Transactions: true}, dataset.Strict
		}, []string{"Drift: has nothing to judge"}},
		"maintenance": {func(s *dataset.Spec) {
			s.Maintenance = dataset.Maintenance{Snapshots: time.Hour, Unreferenced: 90 * time.Minute, FileBytes: 1, SmallFiles: 1}
		}, []string{"Maintenance.FileBytes: is out of range", "Maintenance.SmallFiles: is out of range",
			"Maintenance.Snapshots: is out of range", "Maintenance.Unreferenced: is out of range"}},
		"subject":           {func(s *dataset.Spec) { s.Subject = dataset.Subject{Name: "Customer"} }, []string{"Subject.Column: is no declared column", "Subject.Name: "}},
		"subject of a date": {func(s *dataset.Spec) { s.Subject = dataset.Subject{Name: "day", Column: "o_orderdate"} }, []string{"Subject.Column: names no subject: its column is of type date"}},
		"blurred subject": {func(s *dataset.Spec) {
			s.Columns[2].Type, s.Columns[2].Rules, s.Columns[2].Protect = dataset.String, nil, dataset.Prefix(3)
			s.Subject = dataset.Subject{Name: "customer", Column: s.Columns[2].Name}
		}, []string{"Subject.Column: does not tell whose a row is once its column is protected by Prefix(3)"}},
		"changes":       {func(s *dataset.Spec) { s.Format = dataset.DMS{} }, []string{"Format: holds changes of a database"}},
		"files":         {func(s *dataset.Spec) { s.Load = dataset.Files }, []string{"Load: is not built yet"}},
		"unknown table": {func(s *dataset.Spec) { s.TableFormat = 99 }, []string{"TableFormat: is no table format"}},
		"unknown load":  {func(s *dataset.Spec) { s.Load = 99 }, []string{"Load: is no load kind"}},
		"unknown key":   {func(s *dataset.Spec) { s.Keys = []string{"nope"} }, []string{"Keys[0]: is no declared column"}},
		"key twice":     {func(s *dataset.Spec) { s.Keys = []string{"o_orderkey", "o_orderkey"} }, []string{"Keys[1]: is listed twice"}},
		"dropped key":   {func(s *dataset.Spec) { s.Columns[0].Protect = dataset.Drop }, []string{"Keys[0]: a key column cannot be dropped"}},
		"double key":    {func(s *dataset.Spec) { s.Columns[0].Type = dataset.Double }, []string{"Keys[0]: a key column cannot be of type double"}},
		"no sequence":   {func(s *dataset.Spec) { s.Sequence = "" }, []string{"Sequence: is missing"}},
		"append":        {func(s *dataset.Spec) { s.Load = dataset.Append }, []string{"Sequence: has no meaning for an append"}},
		"unknown seq":   {func(s *dataset.Spec) { s.Sequence = "nope" }, []string{"Sequence: is no declared column"}},
		"text seq":      {func(s *dataset.Spec) { s.Sequence = "o_orderdate" }, []string{"Sequence: cannot order changes: its column is of type date"}},
		"hashed seq":    {func(s *dataset.Spec) { s.Columns[4].Protect = dataset.Hash }, []string{"Sequence: cannot order changes once its column is protected by hash"}},
		"dropped seq":   {func(s *dataset.Spec) { s.Columns[4].Protect = dataset.Drop }, []string{"Sequence: cannot order changes once its column is protected by drop"}},
		"key seq":       {func(s *dataset.Spec) { s.Sequence = "o_orderkey" }, []string{"Sequence: is a key column"}},
		"column twice":  {func(s *dataset.Spec) { s.Columns[3].Name = "o_clerk" }, []string{"Columns[3].Name: is taken by Columns[2]"}},
		"case twice":    {func(s *dataset.Spec) { s.Columns[3].Name = "O_CLERK" }, []string{"Columns[3].Name: is not a valid name", "Columns[3].Name: is taken by Columns[2]"}},
		"column rule":   {func(s *dataset.Spec) { s.Rules = dataset.Rules{dataset.AtLeast(1)} }, []string{"Rules[0]: is no rule for a whole dataset"}},
		"dataset rule":  {func(s *dataset.Spec) { s.Columns[0].Rules = dataset.Rules{dataset.UniqueKey()} }, []string{"Columns[0].Rules[0]: judges a whole dataset"}},
		"no type":       {func(s *dataset.Spec) { s.Columns[3].Type = "" }, []string{"Columns[3].Type: is missing"}},
		"unknown type":  {func(s *dataset.Spec) { s.Columns[3].Type = "varchar" }, []string{"Columns[3].Type: is no type"}},
		"wide decimal":  {func(s *dataset.Spec) { s.Columns[1].Type = dataset.Decimal(39, 2) }, []string{"Columns[1].Type: is no decimal"}},
		"deep decimal":  {func(s *dataset.Spec) { s.Columns[1].Type = dataset.Decimal(3, 4) }, []string{"Columns[1].Type: is no decimal"}},
		"negative":      {func(s *dataset.Spec) { s.Columns[1].Type = dataset.Decimal(3, -1) }, []string{"Columns[1].Type: is no decimal"}},
		"padded":        {func(s *dataset.Spec) { s.Columns[1].Type = "decimal(015,2)" }, []string{"Columns[1].Type: is no decimal"}},
		"class":         {func(s *dataset.Spec) { s.Columns[3].Class = 9 }, []string{"Columns[3].Class: is no class"}},
		"personal":      {func(s *dataset.Spec) { s.Columns[2].Protect = dataset.None }, []string{"Columns[2].Protect: is missing; a personal column"}},
		"share":         {func(s *dataset.Spec) { s.Gate.MaxQuarantinedShare = dataset.Share(5) }, []string{"Gate.MaxQuarantinedShare: is not a share"}},
		"share NaN":     {func(s *dataset.Spec) { s.Gate.MaxQuarantinedShare = dataset.Share(math.NaN()) }, []string{"Gate.MaxQuarantinedShare: is not a share"}},
		"rows":          {func(s *dataset.Spec) { s.Gate.MinRows = -1 }, []string{"Gate.MinRows: is negative"}},
		"too fresh":     {func(s *dataset.Spec) { s.Freshness = 59 * time.Second }, []string{"Freshness: is not a duration"}},
		"negative time": {func(s *dataset.Spec) { s.Freshness = -time.Hour }, []string{"Freshness: is not a duration"}},
		"fraction":      {func(s *dataset.Spec) { s.Freshness = 90*time.Second + time.Millisecond }, []string{"Freshness: is not a duration"}},
		"two bytes":     {func(s *dataset.Spec) { s.Format = dataset.CSV{Delimiter: "||"} }, []string{"Format.Delimiter: cannot separate fields"}},
		"letter":        {func(s *dataset.Spec) { s.Format = dataset.CSV{Delimiter: "x"} }, []string{"Format.Delimiter: cannot separate fields"}},
		"quote":         {func(s *dataset.Spec) { s.Format = dataset.CSV{Delimiter: `"`} }, []string{"Format.Delimiter: cannot separate fields"}},
		"beyond ASCII":  {func(s *dataset.Spec) { s.Format = dataset.CSV{Delimiter: "¦"} }, []string{"Format.Delimiter: cannot separate fields"}},
		"null":          {func(s *dataset.Spec) { s.Format = dataset.CSV{NullValue: "a,b"} }, []string{"Format.NullValue: cannot stand"}},
		"no field":      {func(s *dataset.Spec) { s.Format = dataset.JSON{RouteBy: "a b"} }, []string{"Format.RouteBy: is no field name"}},
		"token field":   {func(s *dataset.Spec) { s.Format = dataset.JSON{RouteBy: "${Token[X.1]}"} }, []string{"Format.RouteBy: is known only at"}},
		"pointer":       {func(s *dataset.Spec) { s.Format = &dataset.Parquet{} }, []string{"Format: is no format"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := orders()
			tt.change(&s)
			wantProblems(t, s.Validate(), tt.want...)
		})
	}
}

func TestValidateFindsEverythingAtOnce(t *testing.T) {
	s := orders()
	s.Domain, s.Load, s.Freshness = "Sales", dataset.Files, time.Second
	s.Columns[0].Type = dataset.Decimal(0, 0)
	s.Columns[2].Protect = dataset.None
	wantProblems(t, dataset.ValidateAll([]dataset.Spec{orders(), s, orders()}),
		"[1].Columns[0].Type: ", "[1].Columns[2].Protect: ", "[1].Domain: ", "[1].Freshness: ", "[1].Load: ",
		"[2]: the id is taken by [0]")
}

func TestProblemTellsWhatWasGotAndWhatIsAllowed(t *testing.T) {
	s := orders()
	s.Keys = []string{"o_orderkey", "o_custkey"}
	want := "1 problem:\n  Keys[1]: is no declared column; got \"o_custkey\"; allowed: o_orderkey, o_totalprice, o_clerk, o_orderdate, change_seq"
	if got := s.Validate().Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLakeName(t *testing.T) {
	for name, ok := range map[string]bool{"commerce": true, "c2_x": true, "": false, "Commerce": false, "2c": false, "a-b": false, strings.Repeat("a", 31): true, strings.Repeat("a", 32): false} {
		if err := dataset.ValidateLakeName(name); (err == nil) != ok {
			t.Errorf("%q: got %v", name, err)
		}
	}
	longest := dataset.QuarantineDatabase(strings.Repeat("a", 31), strings.Repeat("d", 63))
	if len(longest) > 255 {
		t.Errorf("a database name may have %d characters", len(longest))
	}
}
